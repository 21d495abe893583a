
2
xPlaceholder*
dtype0*
shape
:
G
y/biasConst*
dtype0*)
value B"â¨@1‡¯>ðç?"M/@å})À
7
yBiasAddxy/bias*
T0*
data_formatNHWC"ª