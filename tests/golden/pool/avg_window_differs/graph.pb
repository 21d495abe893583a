
:
xPlaceholder*
dtype0*
shape:	
m
poolAvgPoolx*
T0*
data_formatNHWC*
ksize
*
paddingSAME*
strides
"ª