
:
xPlaceholder*
dtype0*
shape:
?
y/biasConst*
dtype0*!
valueB"k€½¿‹¿Î¨s¿
7
yBiasAddxy/bias*
T0*
data_formatNCHW"ª